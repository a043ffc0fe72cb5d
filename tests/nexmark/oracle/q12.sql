-- processed_bid: the bids, each with the time of its batch in `processed`.
SELECT bidder, count(*) AS bid_count, time_bucket(INTERVAL 10 SECONDS, processed) AS starttime,
       starttime + INTERVAL 10 SECONDS AS endtime
FROM processed_bid
GROUP BY bidder, starttime
