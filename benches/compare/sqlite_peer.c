/* What SQLite does beside benches/store.rs: `sqlite_peer FILE MODE CLIENTS ROWS`, one line of JSON on stdout.
 *
 * WAL and synchronous=FULL, one connection per thread, prepared statements unless the mode says otherwise:
 * `commits` and `commits-text` insert ROWS rows in all, each in a commit of its own; `lookup`, `update` and `delete` go by
 * primary key through a table of ROWS rows. Build: gcc -O2 sqlite_peer.c -o sqlite_peer -lsqlite3 -lpthread
 */
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *path;
static const char *mode;
static long rows, clients;

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return t.tv_sec + t.tv_nsec / 1e9;
}

static void check(int rc, sqlite3 *db) {
  if (rc != SQLITE_OK && rc != SQLITE_DONE && rc != SQLITE_ROW) {
    fprintf(stderr, "%s\n", sqlite3_errmsg(db));
    exit(1);
  }
}

static sqlite3 *open_database(void) {
  sqlite3 *db;
  check(sqlite3_open(path, &db), db);
  sqlite3_busy_timeout(db, 60000);
  check(sqlite3_exec(db, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL", 0, 0, 0), db);
  return db;
}

static void *insert(void *arg) {
  long client = (long)arg, count = rows / clients;
  sqlite3 *db = open_database();
  int prepared = strcmp(mode, "commits") == 0;
  sqlite3_stmt *statement = 0;
  if (prepared) check(sqlite3_prepare_v2(db, "INSERT INTO t VALUES (?, ?, ?)", -1, &statement, 0), db);
  for (long i = 0; i < count; i++) {
    long id = client * count + i;
    char name[64], text[160];
    snprintf(name, sizeof name, "name %ld", id);
    if (prepared) {
      sqlite3_bind_int64(statement, 1, id);
      sqlite3_bind_text(statement, 2, name, -1, SQLITE_TRANSIENT);
      sqlite3_bind_double(statement, 3, id * 0.5);
      check(sqlite3_step(statement), db);
      sqlite3_reset(statement);
    } else {
      snprintf(text, sizeof text, "INSERT INTO t VALUES (%ld, '%s', %f)", id, name, id * 0.5);
      check(sqlite3_exec(db, text, 0, 0, 0), db);
    }
  }
  sqlite3_finalize(statement);
  sqlite3_close(db);
  return 0;
}

static void by_key(void) {
  sqlite3 *db = open_database();
  check(sqlite3_exec(db, "BEGIN", 0, 0, 0), db);
  sqlite3_stmt *fill;
  check(sqlite3_prepare_v2(db, "INSERT INTO t VALUES (?, 'name ' || ?, ? * 0.5)", -1, &fill, 0), db);
  for (long id = 0; id < rows; id++) {
    for (int at = 1; at <= 3; at++) sqlite3_bind_int64(fill, at, id);
    check(sqlite3_step(fill), db);
    sqlite3_reset(fill);
  }
  check(sqlite3_exec(db, "COMMIT", 0, 0, 0), db);
  const char *sql = strcmp(mode, "lookup") == 0   ? "SELECT id, name, amount FROM t WHERE id = ?"
                    : strcmp(mode, "update") == 0 ? "UPDATE t SET amount = amount + 1 WHERE id = ?"
                                                  : "DELETE FROM t WHERE id = ?";
  sqlite3_stmt *statement;
  check(sqlite3_prepare_v2(db, sql, -1, &statement, 0), db);
  long count = 2000;
  double start = now();
  for (long i = 0; i < count; i++) {
    sqlite3_bind_int64(statement, 1, i * 7919 % rows);
    while (sqlite3_step(statement) == SQLITE_ROW) (void)sqlite3_column_text(statement, 1);
    sqlite3_reset(statement);
  }
  double seconds = now() - start;
  printf("{\"mode\": \"%s\", \"count\": %ld, \"seconds\": %.6f}\n", mode, count, seconds);
}

int main(int argc, char **argv) {
  if (argc != 5) {
    fprintf(stderr, "usage: sqlite_peer FILE commits|commits-text|lookup|update|delete CLIENTS ROWS\n");
    return 2;
  }
  path = argv[1];
  mode = argv[2];
  clients = atol(argv[3]);
  rows = atol(argv[4]);
  sqlite3 *db = open_database();
  check(sqlite3_exec(db, "CREATE TABLE t (id INTEGER PRIMARY KEY, name TEXT, amount REAL)", 0, 0, 0), db);
  if (strncmp(mode, "commits", 7) != 0) {
    by_key();
    return 0;
  }
  pthread_t threads[256];
  double start = now();
  for (long client = 0; client < clients; client++) pthread_create(&threads[client], 0, insert, (void *)client);
  for (long client = 0; client < clients; client++) pthread_join(threads[client], 0);
  double seconds = now() - start;
  printf("{\"mode\": \"%s\", \"count\": %ld, \"seconds\": %.6f}\n", mode, rows / clients * clients, seconds);
  return 0;
}
