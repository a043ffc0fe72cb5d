-- Paid orders, each once: a message that was delivered again within the watermark is a duplicate.
SELECT DISTINCT ON (event_id)
       event_id, event_time,
       "order".order_id AS order_id,
       "order".customer.id AS customer_id,
       "order".customer.name AS customer_name,
       "order".items AS items
FROM orders
WHERE "order".status = 'PAID'
