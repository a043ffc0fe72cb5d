-- One row an item.
SELECT event_id, event_time, event_time::DATE AS event_date, order_id, customer_id, customer_name,
       item.product_id AS product_id, item.category AS category, item.qty AS qty, item.price AS price,
       item.qty * item.price AS revenue
FROM (SELECT * EXCLUDE (items), unnest(items) AS item FROM paid)
