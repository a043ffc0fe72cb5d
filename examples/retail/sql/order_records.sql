SELECT order_id::VARCHAR AS key, order_id, customer_id, amount::DOUBLE AS amount,
       strftime(created_at, '%Y-%m-%d %H:%M:%S') AS created_at
FROM new_orders
