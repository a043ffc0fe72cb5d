-- All messages, those that could not be decoded, too; what is wrong with each; and when it says that it happened, if it does.
SELECT *,
       CASE WHEN reason IS NOT NULL           THEN reason
            WHEN coalesce(event_id, '') = ''   THEN 'event_id is missing'
            WHEN coalesce(event_type, '') = '' THEN 'event_type is missing'
       END AS problem,
       CASE WHEN isfinite(try_cast(event_timestamp AS TIMESTAMPTZ)) THEN try_cast(event_timestamp AS TIMESTAMPTZ) END AS said_time
FROM customer_events
