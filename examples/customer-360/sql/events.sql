SELECT event_id,
       customer_id,
       event_type,
       CASE WHEN product_id >= 0 THEN product_id END AS product_id,
       coalesce(said_time, kafka_timestamp, now())   AS event_timestamp,
       now()                                         AS ingestion_timestamp,
       coalesce(said_time, kafka_timestamp, now())::DATE AS event_date
FROM received
WHERE problem IS NULL
