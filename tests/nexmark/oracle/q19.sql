SELECT unnest(top, max_depth := 2), generate_subscripts(top, 1) AS rank_number
FROM (SELECT max_by(bid, {price: price, earlier: -epoch_us(dateTime)}, 10) AS top
      FROM bid GROUP BY auction)
