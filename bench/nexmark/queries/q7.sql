-- The highest bid of every 10 seconds. Published as a join of the bids with the windows' maximum,
-- which gives all bids of that price and also one right at the window's end: here it is the first
-- of them, and a window does not hold its end.
SELECT auction, bidder, price, dateTime, extra
FROM tumble(bid, dateTime, INTERVAL 10 SECONDS)
QUALIFY row_number() OVER (PARTITION BY window_start ORDER BY price DESC, dateTime) = 1
