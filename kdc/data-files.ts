/** The names of the files in a data directory. */
export const DATA_FILES = {
  DATABASE: 'db',
  MASTER_KEY: 'master.key',
  ADMIN_KEYTAB: 'admin.keytab',
  AUDIT: 'audit',
} as const
