-- Gives each bid the id of its channel: known for four channels, taken from the URL for the others;
-- leaves out bids that have none. As published.
SELECT auction, bidder, price, channel,
       CASE lower(channel)
         WHEN 'apple' THEN '0' WHEN 'google' THEN '1'
         WHEN 'facebook' THEN '2' WHEN 'baidu' THEN '3'
         -- DuckDB gives an empty text, and not NULL, for what is not found.
         ELSE nullif(regexp_extract(url, '(&|^)channel_id=([^&]*)', 2), '') END AS channel_id
FROM bid
WHERE channel_id IS NOT NULL
