SELECT auction, bidder, b.price, b.channel, b.url, b.dateTime, b.extra
FROM (SELECT auction, bidder, arg_max(bid, dateTime) AS b FROM bid GROUP BY auction, bidder)
