-- The auctions with the most bids in the last 10 seconds, every 2 seconds; all of them, if several
-- have as many. Published as a join of the counts with their maximum: here a window's counts are
-- gathered once its first aggregation has closed. Windows are part of the result, to tell them apart.
WITH counts AS (
  SELECT window_start, window_end, auction, count(*) AS num
  FROM hop(bid, dateTime, INTERVAL 10 SECONDS, INTERVAL 2 SECONDS)
  GROUP BY ALL
), hottest AS (
  SELECT window_start, window_end, max(num) AS most, list({auction: auction, num: num}) AS auctions
  FROM counts
  GROUP BY ALL
)
SELECT window_start, window_end, a.auction, a.num
FROM (SELECT window_start, window_end, most, unnest(auctions) AS a FROM hottest)
WHERE a.num = most
