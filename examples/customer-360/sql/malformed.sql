SELECT kafka_topic     AS topic,
       kafka_partition AS "partition",
       kafka_offset    AS "offset",
       kafka_timestamp,
       problem         AS reason,
       to_base64(raw)  AS raw_base64
FROM received
WHERE problem IS NOT NULL
