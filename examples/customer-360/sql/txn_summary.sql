SELECT date,
       customer_id,
       total_amount::DOUBLE  AS total_amount,
       total_items::INTEGER  AS total_items,
       distinct_products::INTEGER AS distinct_products,
       -- The most frequent one; of several the first by name.
       list_sort(list_transform(map_entries(categories), lambda entry: {'rarity': -entry.value::BIGINT, 'name': entry.key}))[1].name
         AS top_category
FROM (
  SELECT date,
         customer_id,
         sum(amount)                AS total_amount,
         sum(qty)                   AS total_items,
         count(DISTINCT product_id) AS distinct_products,
         histogram(coalesce(category, 'unknown')) AS categories
  FROM sold
  GROUP BY date, customer_id
)
