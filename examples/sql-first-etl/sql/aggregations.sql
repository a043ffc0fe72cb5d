-- Metrics per product category over everything that ever arrived, kept incrementally. Money is
-- summed as DECIMAL: exact, so the result does not depend on the order of the rows.
SELECT product_category,
       count(*) AS transactions,
       CAST(sum(CAST(revenue AS DECIMAL(18, 4))) AS DOUBLE) AS total_revenue,
       avg(CAST(revenue AS DECIMAL(18, 4))) AS average_revenue,
       count(DISTINCT user_id) AS distinct_customers,
       count(DISTINCT product_id) AS distinct_products,
       avg(CAST(amount * quantity AS DECIMAL(18, 4))) AS average_transaction_value,
       avg(discount_percent) AS average_discount_percent,
       count(*) FILTER (WHERE discount_percent > 0) / count(*) AS discounted_share,
       count(*) FILTER (WHERE is_high_value) AS high_value_transactions,
       count(*) FILTER (WHERE status = 'completed') / count(*) AS completion_rate,
       count(*) FILTER (WHERE customer_segment = 'premium') AS premium_transactions,
       count(*) FILTER (WHERE customer_segment = 'regular') AS regular_transactions,
       count(*) FILTER (WHERE customer_segment = 'new') AS new_customer_transactions,
       count(*) FILTER (WHERE customer_segment = 'unknown') AS unknown_segment_transactions,
       count(*) FILTER (WHERE payment_method = 'credit_card') AS credit_card_payments,
       count(*) FILTER (WHERE payment_method = 'debit_card') AS debit_card_payments,
       count(*) FILTER (WHERE payment_method = 'paypal') AS paypal_payments,
       count(*) FILTER (WHERE payment_method = 'bank_transfer') AS bank_transfer_payments
FROM transformed_transactions
GROUP BY product_category
