-- Hours come out once the watermark has passed them, and never change after.
SELECT tumble(event_time, INTERVAL 1 HOUR) AS hour, category, sum(revenue) AS revenue,
       count(DISTINCT order_id) AS orders
FROM silver
GROUP BY ALL
