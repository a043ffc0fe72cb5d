SELECT auction, bidder, euros,
       if(hours IN (7, 19), 'otherTime', if(hours > 7 AND hours < 19, 'dayTime', 'nightTime')),
       dateTime, extra, len(regexp_extract_all(extra, 'c')) AS c_counts
FROM (SELECT *, 0.908 * price AS euros, date_part('hour', dateTime) AS hours FROM bid)
WHERE euros > 1000000 AND euros < 50000000
