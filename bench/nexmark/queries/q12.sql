-- How many bids a person makes in 10 seconds of processing time, which is the time of the batch.
-- Published, a window comes out once it is over; here it is updated with each batch.
SELECT bidder, count(*) AS bid_count, starttime, starttime + INTERVAL 10 SECONDS AS endtime
FROM (SELECT bidder, tumble(now(), INTERVAL 10 SECONDS) AS starttime FROM bid)
GROUP BY ALL
