SELECT product_name, sum(quantity) AS total_quantity, sum(amount) AS total_revenue FROM exported GROUP BY product_name
