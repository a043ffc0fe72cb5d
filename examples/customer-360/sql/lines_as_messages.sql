-- Lines of files with what messages of a topic have.
SELECT event_id, customer_id, event_type, product_id, event_timestamp,
       encode(corrupt) AS raw,
       CASE WHEN corrupt IS NOT NULL THEN 'is no JSON object of these columns' END AS reason,
       NULL::VARCHAR AS kafka_topic,
       NULL::INTEGER AS kafka_partition,
       NULL::BIGINT AS kafka_offset,
       NULL::TIMESTAMPTZ AS kafka_timestamp
FROM event_lines
