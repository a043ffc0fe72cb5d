-- Sessions that the watermark, 4 seconds behind the newest bid, has passed.
WITH gaps AS (
  SELECT bidder, dateTime,
         lag(dateTime) OVER bids IS NULL
           OR dateTime - lag(dateTime) OVER bids >= INTERVAL 10 SECONDS AS begins
  FROM bid
  WINDOW bids AS (PARTITION BY bidder ORDER BY dateTime)
), numbered AS (
  SELECT bidder, dateTime, sum(begins::INT) OVER (PARTITION BY bidder ORDER BY dateTime) AS session
  FROM gaps
)
SELECT bidder, count(*) AS bid_count, min(dateTime) AS starttime,
       max(dateTime) + INTERVAL 10 SECONDS AS endtime
FROM numbered
GROUP BY bidder, session
HAVING endtime <= (SELECT max(dateTime) - INTERVAL 4 SECONDS FROM bid)
