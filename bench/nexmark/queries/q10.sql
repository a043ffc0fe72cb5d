-- Logs every bid to CSV files, in folders by day and minute. As published, but that files are in
-- place when their batch commits, not when the minute is over.
SELECT auction, bidder, price, dateTime, extra,
       strftime(dateTime, '%Y-%m-%d') AS dt, strftime(dateTime, '%H:%M') AS hm
FROM bid
