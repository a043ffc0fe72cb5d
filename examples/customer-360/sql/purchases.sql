-- Transactions with who bought what.
SELECT txn_id, customer_id, customers.name, email, gender, signup_date, category, t.amount, txn_timestamp
FROM transactions AS t
JOIN customers USING (customer_id)
JOIN products USING (product_id)
