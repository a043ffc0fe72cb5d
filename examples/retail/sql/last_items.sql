-- Of an order's items the last one, as Cassandra keeps it by the key (customer_id, order_id).
SELECT customer_id, order_id, name, email, city, order_date, amount, item_id, product_name, quantity
FROM sales
QUALIFY row_number() OVER (PARTITION BY customer_id, order_id ORDER BY item_id DESC) = 1
