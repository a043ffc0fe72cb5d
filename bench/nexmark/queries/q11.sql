-- How many bids a person makes in a session, which ends when there is none for 10 seconds. Published,
-- a bid exactly 10 seconds after the last one goes on with the session; here it begins another.
SELECT bidder, count(*) AS bid_count, window_start AS starttime, window_end AS endtime
FROM session(bid, dateTime, INTERVAL 10 SECONDS, bidder)
GROUP BY bidder, window_start, window_end
