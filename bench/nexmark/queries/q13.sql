-- Joins each bid with a table of 10,000 rows beside it. As published; a batch sees the table as it
-- is then.
SELECT auction, bidder, price, dateTime, value
FROM bid JOIN side_input ON auction % 10000 = key
