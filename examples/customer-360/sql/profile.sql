-- Name, e-mail and gender are those of the customer's last transaction; what is not known has a word that says so. The average is exact: in cents, half a cent rounded up.
SELECT customer_id,
       coalesce(last.name, 'unknown')  AS name,
       coalesce(last.email, 'unknown') AS email,
       coalesce(last.gender, 'O')      AS gender,
       total_spend,
       total_transactions,
       ((2 * (total_spend * 100)::HUGEINT + total_transactions) // (2 * total_transactions))::DECIMAL(18, 0) * 0.01 AS avg_order_value,
       first_purchase,
       last_purchase,
       -- The most frequent one; of several the first by name.
       list_sort(list_transform(map_entries(categories), lambda entry: {'rarity': -entry.value::BIGINT, 'name': entry.key}))[1].name
         AS favorite_category
FROM (
  SELECT customer_id,
         arg_max({'name': name, 'email': email, 'gender': gender}, txn_id) AS last,
         sum(coalesce(amount, 0))  AS total_spend,
         count(*)::INTEGER         AS total_transactions,
         min(txn_timestamp)        AS first_purchase,
         max(txn_timestamp)        AS last_purchase,
         histogram(coalesce(category, 'unknown')) AS categories
  FROM purchases
  GROUP BY customer_id
)
