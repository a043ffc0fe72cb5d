-- Typed, cleaned and enriched transactions. Rows that are not kept are counted as filtered, and
-- `rejected_transactions` in pipeline.yaml shows them with the reason.
SELECT transaction_id,
       user_id,
       product_id,
       product_category,
       amount,
       quantity,
       payment_method,
       status,
       TRY_CAST(event_time AS TIMESTAMP) AS event_time,
       country_code,
       coalesce(discount_percent, 0) AS discount_percent,
       coalesce(customer_segment, 'unknown') AS customer_segment,
       amount * quantity * (1 - coalesce(discount_percent, 0) / 100) AS revenue,
       amount >= 200 AS is_high_value,
       quantity > 3 AS is_bulk_order,
       CAST(TRY_CAST(event_time AS TIMESTAMP) AS DATE) AS event_date,
       CAST(hour(TRY_CAST(event_time AS TIMESTAMP)) AS INTEGER) AS event_hour
FROM transactions
WHERE transaction_id IS NOT NULL
  AND user_id IS NOT NULL
  AND product_id IS NOT NULL
  AND amount > 0
  AND quantity > 0
  AND TRY_CAST(event_time AS TIMESTAMP) IS NOT NULL
