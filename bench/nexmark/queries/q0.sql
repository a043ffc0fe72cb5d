-- Passes every bid through. As published.
SELECT auction, bidder, price, dateTime, extra FROM bid
