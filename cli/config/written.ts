import { quoted } from '../../shared/shown-text.js'

/** What somebody wrote in place of something else, for a message. */
export function kindOf(value: unknown): string {
  if (typeof value === 'string') return quoted(value, 40)
  if (Array.isArray(value)) return 'a list'
  if (value instanceof Date) return 'a date'
  return typeof value === 'object' ? 'a table' : String(value)
}
