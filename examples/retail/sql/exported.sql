SELECT customer_id, order_id, amount::DECIMAL(12,2) AS amount, product_name, quantity FROM sales_data
