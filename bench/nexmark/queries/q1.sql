-- Gives the price of each bid in euros. As published.
SELECT auction, bidder, 0.908 * price AS price, dateTime, extra FROM bid
