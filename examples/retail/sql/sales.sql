SELECT customer_id::INTEGER AS customer_id,
       order_id::INTEGER    AS order_id,
       name,
       email,
       city,
       order_date,
       amount,
       item_id::INTEGER     AS item_id,
       product_name,
       quantity::INTEGER    AS quantity
FROM order_items
JOIN orders USING (order_id)
JOIN customers USING (customer_id)
