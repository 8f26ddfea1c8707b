CREATE TABLE IF NOT EXISTS "ratelimiting_metrics" (
  "identifier"   TEXT,
  "period"       TEXT,
  "period_date"  TIMESTAMP WITH TIME ZONE,
  "service_id"   UUID  DEFAULT '00000000-0000-0000-0000-000000000000'::uuid,
  "value"        INTEGER,
  PRIMARY KEY ("identifier", "period", "period_date", "service_id")
);
CREATE OR REPLACE FUNCTION "increment_rate_limits"(_id TEXT, _period TEXT, _at TIMESTAMP WITH TIME ZONE, _by INTEGER)
RETURNS VOID LANGUAGE plpgsql AS $$
BEGIN
  LOOP
    UPDATE ratelimiting_metrics SET value = value + _by WHERE identifier = _id AND period = _period AND period_date = _at;
    IF found THEN RETURN; END IF;
    BEGIN
      INSERT INTO ratelimiting_metrics (identifier, period, period_date, value) VALUES (_id, _period, _at, _by);
      RETURN;
    EXCEPTION WHEN unique_violation THEN
    END;
  END LOOP;
END;
$$;
