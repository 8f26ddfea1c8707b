refresh materialized view concurrently moods;
