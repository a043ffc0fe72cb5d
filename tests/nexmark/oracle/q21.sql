SELECT auction, bidder, price, channel,
       coalesce((list_position(['apple', 'google', 'facebook', 'baidu'], lower(channel)) - 1)::VARCHAR,
                regexp_extract(url, '[&?]channel_id=([^&]*)', 1))
FROM bid
WHERE lower(channel) IN ('apple', 'google', 'facebook', 'baidu') OR regexp_matches(url, '[&?]channel_id=.')
