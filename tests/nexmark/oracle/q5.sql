-- Windows that the watermark, 4 seconds behind the newest bid, has passed.
WITH counts AS (
  SELECT starttime, auction, count(*) AS num
  FROM (SELECT auction, unnest([time_bucket(INTERVAL 2 SECONDS, dateTime) - INTERVAL 2 SECONDS * i
                                FOR i IN range(5)]) AS starttime FROM bid)
  GROUP BY starttime, auction
), ranked AS (
  SELECT *, rank() OVER (PARTITION BY starttime ORDER BY num DESC) AS place FROM counts
)
SELECT starttime, starttime + INTERVAL 10 SECONDS AS endtime, auction, num FROM ranked
WHERE place = 1 AND endtime <= (SELECT max(dateTime) - INTERVAL 4 SECONDS FROM bid)
