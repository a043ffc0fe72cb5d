SELECT product_id, sum(qty)::BIGINT AS quantity, sum(revenue) AS revenue
FROM silver
GROUP BY product_id
ORDER BY quantity DESC, product_id
LIMIT 20
