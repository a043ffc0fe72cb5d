SELECT customer_id, any_value(customer_name) AS customer_name, sum(revenue) AS spend,
       count(DISTINCT order_id) AS orders
FROM silver
GROUP BY customer_id
ORDER BY spend DESC, customer_id
LIMIT 20
