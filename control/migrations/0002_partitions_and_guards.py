"""What the schema editor cannot say: day-partitioned tables, finite numbers only, an audit that refuses change."""

from django.db import migrations

TRACE = """
CREATE TABLE control_snapshot (
    equipment_id bigint NOT NULL,
    at timestamptz NOT NULL,
    source_id bigint NOT NULL,
    sequence bigint NOT NULL,
    arrival bigint NOT NULL,
    received_at timestamptz NOT NULL,
    roll bigint NOT NULL,
    web_m double precision NOT NULL,
    "values" double precision[] NOT NULL,
    quality smallint[] NOT NULL,
    PRIMARY KEY (equipment_id, at, source_id, sequence),
    CONSTRAINT snapshot_finite CHECK (
        'NaN' <> ALL ("values") IS NOT FALSE AND 'Infinity' <> ALL ("values") IS NOT FALSE
        AND '-Infinity' <> ALL ("values") IS NOT FALSE
        AND web_m NOT IN ('NaN', 'Infinity', '-Infinity'))
) PARTITION BY RANGE (at);
CREATE INDEX snapshot_arrival ON control_snapshot (equipment_id, arrival);
CREATE INDEX snapshot_place ON control_snapshot (equipment_id, roll, web_m);

CREATE TABLE control_measurement (
    equipment_id bigint NOT NULL,
    at timestamptz NOT NULL,
    source_id bigint NOT NULL,
    sequence bigint NOT NULL,
    stream_id bigint NOT NULL,
    arrival bigint NOT NULL,
    received_at timestamptz NOT NULL,
    roll bigint,
    web_m double precision,
    value double precision,
    quality smallint NOT NULL,
    by smallint NOT NULL,
    PRIMARY KEY (equipment_id, at, source_id, sequence, stream_id),
    CONSTRAINT measurement_finite CHECK (
        (value NOT IN ('NaN', 'Infinity', '-Infinity')) IS NOT FALSE
        AND (web_m NOT IN ('NaN', 'Infinity', '-Infinity')) IS NOT FALSE)
) PARTITION BY RANGE (at);
CREATE INDEX measurement_arrival ON control_measurement (equipment_id, arrival);

CREATE TABLE control_point (
    equipment_id bigint NOT NULL,
    seq bigint NOT NULL,
    at timestamptz NOT NULL,
    known_at timestamptz NOT NULL,
    stream_id bigint NOT NULL,
    by smallint NOT NULL,
    roll bigint NOT NULL,
    web_m double precision NOT NULL,
    value double precision,
    low double precision,
    high double precision,
    predicted double precision,
    reliance double precision,
    similarity double precision,
    quality smallint NOT NULL,
    verdict smallint NOT NULL,
    rules smallint NOT NULL,
    PRIMARY KEY (equipment_id, seq, at),
    CONSTRAINT point_finite CHECK (
        (value NOT IN ('NaN', 'Infinity', '-Infinity')) IS NOT FALSE
        AND (low NOT IN ('NaN', 'Infinity', '-Infinity')) IS NOT FALSE
        AND (high NOT IN ('NaN', 'Infinity', '-Infinity')) IS NOT FALSE
        AND (predicted NOT IN ('NaN', 'Infinity', '-Infinity')) IS NOT FALSE)
) PARTITION BY RANGE (at);
CREATE INDEX point_chart ON control_point (stream_id, at);

CREATE TABLE control_snapshot_other PARTITION OF control_snapshot DEFAULT;
CREATE TABLE control_measurement_other PARTITION OF control_measurement DEFAULT;
CREATE TABLE control_point_other PARTITION OF control_point DEFAULT;

-- Built aside and attached, because CREATE ... PARTITION OF would lock readers of the whole table out.
CREATE FUNCTION control_make_day(day date) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    parent text;
    part text;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('control_make_day'));
    FOREACH parent IN ARRAY ARRAY['control_snapshot', 'control_measurement', 'control_point'] LOOP
        part := parent || to_char(day, '_YYYYMMDD');
        IF to_regclass(part) IS NULL THEN
            EXECUTE format('CREATE TABLE %I (LIKE %I INCLUDING DEFAULTS INCLUDING CONSTRAINTS)', part, parent);
            EXECUTE format('ALTER TABLE %I ATTACH PARTITION %I FOR VALUES FROM (%L) TO (%L)',
                           parent, part, day::timestamp AT TIME ZONE 'UTC', (day + 1)::timestamp AT TIME ZONE 'UTC');
        END IF;
    END LOOP;
END $$;
"""

NO_TRACE = """
DROP FUNCTION control_make_day(date);
DROP TABLE control_snapshot, control_measurement, control_point;
"""

GUARD = """
CREATE FUNCTION control_audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit is append-only: % refused', TG_OP USING ERRCODE = 'insufficient_privilege';
END $$;
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON control_auditentry
    FOR EACH ROW EXECUTE FUNCTION control_audit_refuse();
CREATE TRIGGER audit_no_truncate BEFORE TRUNCATE ON control_auditentry
    FOR EACH STATEMENT EXECUTE FUNCTION control_audit_refuse();
ALTER TABLE control_auditentry ENABLE ALWAYS TRIGGER audit_append_only;
ALTER TABLE control_auditentry ENABLE ALWAYS TRIGGER audit_no_truncate;
INSERT INTO control_audithead (id, number, hash) VALUES (1, 0, repeat('0', 64));
"""

NO_GUARD = """
DROP TRIGGER audit_append_only ON control_auditentry;
DROP TRIGGER audit_no_truncate ON control_auditentry;
DROP FUNCTION control_audit_refuse();
DELETE FROM control_audithead;
"""


class Migration(migrations.Migration):
    dependencies = [("control", "0001_start")]

    operations = [
        migrations.RunSQL(TRACE, NO_TRACE),
        migrations.RunSQL(GUARD, NO_GUARD),
    ]
