WITH levels AS (
  SELECT *, CASE WHEN price < 10000 THEN 1 WHEN price < 1000000 THEN 2 ELSE 3 END AS level,
         dateTime::DATE::VARCHAR AS day FROM bid
)
SELECT auction, day,
       count(*), count(CASE level WHEN 1 THEN 1 END), count(CASE level WHEN 2 THEN 1 END),
       count(CASE level WHEN 3 THEN 1 END),
       min(price), max(price), sum(price)::DOUBLE / count(*), sum(price)
FROM levels GROUP BY auction, day
