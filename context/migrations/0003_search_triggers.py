"""Triggers that keep the index of the search, so that it is right whoever changes a document or chunk, and how."""

from django.db import migrations

# Only the writer of a number changes the rows of that number, so writers never wait for each other's counts.
WRITER = """
CREATE FUNCTION context_writer() RETURNS smallint LANGUAGE plpgsql AS $$
BEGIN
    FOR writer IN 0..62 LOOP
        IF pg_try_advisory_xact_lock(1414418247, writer) THEN
            RETURN writer;
        END IF;
    END LOOP;
    PERFORM pg_advisory_xact_lock(1414418247, 63);
    RETURN 63;
END $$;
"""

# Without the planner's other ways it finds postings by their index however little it knows of the tables yet.
_SETTINGS = "SET enable_seqscan = off SET enable_hashjoin = off SET enable_mergejoin = off SET jit = off"

CHUNKS_CAME = f"""
CREATE FUNCTION context_chunks_came() RETURNS trigger LANGUAGE plpgsql {_SETTINGS} AS $$
DECLARE
    me CONSTANT smallint := context_writer();
BEGIN
    WITH words AS (
        SELECT word.lexeme, came.id, came.language, cardinality(word.positions) AS frequency,
            sum(cardinality(word.positions)) OVER (PARTITION BY came.id) AS length
        FROM came, unnest(came.lexemes) word
        WHERE came.searchable
    ), added AS (
        INSERT INTO context_posting (lexeme, chunk, frequency, length)
        SELECT hashtextextended(lexeme COLLATE "C", 0) AS hash, id, frequency, length FROM words ORDER BY hash, id
    ), counted AS (
        INSERT INTO context_lexemecount AS count (lexeme, writer, chunks)
        SELECT lexeme, me, count(*) FROM words GROUP BY lexeme ORDER BY lexeme
        ON CONFLICT (lexeme, writer) DO UPDATE SET chunks = count.chunks + excluded.chunks
    )
    INSERT INTO context_languagecount AS count (language, writer, chunks, words)
    SELECT language, me, count(*), sum(length) FROM (SELECT DISTINCT id, language, length FROM words) chunk
    GROUP BY language
    ON CONFLICT (language, writer)
        DO UPDATE SET chunks = count.chunks + excluded.chunks, words = count.words + excluded.words;
    RETURN NULL;
END $$;
CREATE TRIGGER context_chunks_inserted AFTER INSERT ON context_chunk
    REFERENCING NEW TABLE AS came FOR EACH STATEMENT EXECUTE FUNCTION context_chunks_came();
CREATE TRIGGER context_chunks_updated_2 AFTER UPDATE ON context_chunk
    REFERENCING NEW TABLE AS came FOR EACH STATEMENT EXECUTE FUNCTION context_chunks_came();
"""

CHUNKS_WENT = f"""
CREATE FUNCTION context_chunks_went() RETURNS trigger LANGUAGE plpgsql {_SETTINGS} AS $$
DECLARE
    me CONSTANT smallint := context_writer();
BEGIN
    WITH removed AS (
        DELETE FROM context_posting posting USING went, unnest(went.lexemes) word
        WHERE went.searchable
            AND posting.lexeme = hashtextextended(word.lexeme COLLATE "C", 0) AND posting.chunk = went.id
        RETURNING word.lexeme, went.id, went.language, posting.length
    ), counted AS (
        INSERT INTO context_lexemecount AS count (lexeme, writer, chunks)
        SELECT lexeme, me, -count(*) FROM removed GROUP BY lexeme ORDER BY lexeme
        ON CONFLICT (lexeme, writer) DO UPDATE SET chunks = count.chunks + excluded.chunks
    )
    INSERT INTO context_languagecount AS count (language, writer, chunks, words)
    SELECT language, me, -count(*), -sum(length) FROM (SELECT DISTINCT id, language, length FROM removed) chunk
    GROUP BY language
    ON CONFLICT (language, writer)
        DO UPDATE SET chunks = count.chunks + excluded.chunks, words = count.words + excluded.words;
    DELETE FROM context_lexemecount count USING went, unnest(went.lexemes) word
    WHERE count.lexeme = word.lexeme AND count.writer = me AND count.chunks = 0;
    RETURN NULL;
END $$;
CREATE TRIGGER context_chunks_deleted AFTER DELETE ON context_chunk
    REFERENCING OLD TABLE AS went FOR EACH STATEMENT EXECUTE FUNCTION context_chunks_went();
CREATE TRIGGER context_chunks_updated_1 AFTER UPDATE ON context_chunk
    REFERENCING OLD TABLE AS went FOR EACH STATEMENT EXECUTE FUNCTION context_chunks_went();
"""

DOCUMENT_CHANGED = """
CREATE FUNCTION context_document_changed() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE context_chunk SET searchable = NEW.enabled AND NEW.status = 'ready'
    WHERE document_id = NEW.id AND searchable <> (NEW.enabled AND NEW.status = 'ready');
    RETURN NULL;
END $$;
CREATE TRIGGER context_document_changed AFTER UPDATE OF enabled, status ON context_document
    FOR EACH ROW EXECUTE FUNCTION context_document_changed();
"""

# A search reads the primary key alone once these rows are known to be visible to all, which vacuum notes.
TABLES = """
ALTER TABLE context_posting DROP CONSTRAINT context_posting_pkey,
    ADD PRIMARY KEY (lexeme, chunk) INCLUDE (frequency, length),
    SET (autovacuum_vacuum_insert_threshold = 50000, autovacuum_vacuum_insert_scale_factor = 0.02);
ALTER TABLE context_lexemecount SET (fillfactor = 70);
"""

# What was stored before was searched by its English lexemes.
EARLIER = """
UPDATE context_document SET language = 'english', posted = (source = '');
UPDATE context_chunk chunk
SET language = 'english', lexemes = to_tsvector('english', chunk.text), searchable = document.status = 'ready'
FROM context_document document WHERE document.id = chunk.document_id;
"""

UNDO = """
DROP TRIGGER context_document_changed ON context_document;
DROP TRIGGER context_chunks_inserted ON context_chunk;
DROP TRIGGER context_chunks_updated_1 ON context_chunk;
DROP TRIGGER context_chunks_updated_2 ON context_chunk;
DROP TRIGGER context_chunks_deleted ON context_chunk;
DROP FUNCTION context_document_changed, context_chunks_came, context_chunks_went, context_writer;
"""


class Migration(migrations.Migration):
    dependencies = [("context", "0002_search_index")]

    operations = [
        migrations.RunSQL(WRITER + CHUNKS_CAME + CHUNKS_WENT + DOCUMENT_CHANGED, UNDO),
        migrations.RunSQL(TABLES, migrations.RunSQL.noop),
        migrations.RunSQL(EARLIER, migrations.RunSQL.noop),
    ]
