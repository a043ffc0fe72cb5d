SELECT auction, bidder, price, dateTime, value
FROM bid, side_input
WHERE key = auction - auction // 10000 * 10000
