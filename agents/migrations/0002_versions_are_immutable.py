"""A version of an agent refuses UPDATE: what was in force at a time can always be told.

DELETE stays possible, since deleting an agent takes its versions along.
"""

from django.db import migrations

CREATE = """
CREATE FUNCTION agents_agentversion_refuse_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'agents_agentversion is immutable: add a version instead'
        USING ERRCODE = 'restrict_violation';
END
$$;
CREATE TRIGGER agents_agentversion_is_immutable
    BEFORE UPDATE ON agents_agentversion
    FOR EACH ROW EXECUTE FUNCTION agents_agentversion_refuse_change();
"""

DROP = """
DROP TRIGGER agents_agentversion_is_immutable ON agents_agentversion;
DROP FUNCTION agents_agentversion_refuse_change();
"""


class Migration(migrations.Migration):
    dependencies = [("agents", "0001_initial")]

    operations = [migrations.RunSQL(CREATE, DROP)]
