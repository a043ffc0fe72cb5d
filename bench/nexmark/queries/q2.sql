-- Bids on every 123rd auction. As published.
SELECT auction, price FROM bid WHERE auction % 123 = 0
