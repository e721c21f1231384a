/** The names of the files in a data directory. */
export const DATA_FILES = {
  DATABASE: 'db',
  /** The database of a realm that was moved to another store. */
  MOVED: 'db.moved',
  MASTER_KEY: 'master.key',
  ADMIN_KEYTAB: 'admin.keytab',
  AUDIT: 'audit',
} as const
