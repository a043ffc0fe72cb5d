-- Windows that the watermark, 4 seconds behind the newest bid, has passed.
WITH best AS (
  SELECT time_bucket(INTERVAL 10 SECONDS, dateTime) AS starttime,
         arg_max(bid, {price: price, earlier: -epoch_us(dateTime)}) AS b
  FROM bid
  GROUP BY starttime
)
SELECT b.auction, b.bidder, b.price, b.dateTime, b.extra FROM best
WHERE starttime + INTERVAL 10 SECONDS <= (SELECT max(dateTime) - INTERVAL 4 SECONDS FROM bid)
