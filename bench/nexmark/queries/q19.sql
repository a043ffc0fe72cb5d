-- The 10 highest bids on each auction. As published, and of equal bids the first counts more.
SELECT *, row_number() OVER (PARTITION BY auction ORDER BY price DESC, dateTime) AS rank_number
FROM bid
QUALIFY rank_number <= 10
