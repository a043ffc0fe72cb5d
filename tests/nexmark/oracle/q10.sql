SELECT auction, bidder, price, dateTime, extra, dateTime::DATE::VARCHAR AS dt,
       substr(dateTime::VARCHAR, 12, 5) AS hm
FROM bid
