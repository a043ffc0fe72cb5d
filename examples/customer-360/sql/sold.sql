-- Transactions with their day (UTC), and what the catalogue says of the product.
SELECT txn_id, txn_timestamp::DATE AS date, customer_id, product_id, qty, t.amount, category, price
FROM transactions AS t
JOIN products USING (product_id)
