import { readFileSync } from 'node:fs'

/**
 * The types of the Kubernetes API that the manifests use, each with all its fields: `name!` must be there. Taken from its
 * OpenAPI schemas (the package kubernetes-models 5.1.0). A type that is not among them is not known here, and is refused.
 */
const TYPES = JSON.parse(
  readFileSync(new URL('./kubernetes-fields.json', import.meta.url), 'utf8'),
) as Readonly<Record<string, Readonly<Record<string, string>>>>

/** What is wrong with a value as one of this type, each with the place of it; a misspelt field among them. */
export function faultsOf(value: unknown, type: string, place: string): string[] {
  if (type.endsWith('[]')) {
    if (!Array.isArray(value)) return [`${place} is no list`]
    return value.flatMap((each, i) => faultsOf(each, type.slice(0, -2), `${place}[${i}]`))
  }
  if (type === 'map' || type.startsWith('map of ')) {
    if (!isObject(value)) return [`${place} is no map`]
    const of = type === 'map' ? 'string' : type.slice(7)
    return Object.entries(value).flatMap(([key, each]) => faultsOf(each, of, `${place}.${key}`))
  }
  if (/^[A-Z]/.test(type)) return faultsOfObject(value, type, place)
  const fits = type.split('|').some(each => each === typeof value || each === `'${value}'`)
  return fits ? [] : [`${place} is not ${type}`]
}

function faultsOfObject(value: unknown, type: string, place: string): string[] {
  const fields = TYPES[type]
  if (fields === undefined) return [`${place} is a ${type}, of which the fields are not known`]
  if (!isObject(value)) return [`${place} is no ${type}`]
  const missing = Object.keys(fields).filter(name => name.endsWith('!') && !(name.slice(0, -1) in value))
  const wrong = Object.entries(value).flatMap(([name, each]) => {
    const of = fields[name] ?? fields[`${name}!`]
    return of === undefined
      ? [`${place}.${name} is no field of ${type}`]
      : faultsOf(each, of, `${place}.${name}`)
  })
  return [...missing.map(name => `${place} has no ${name.slice(0, -1)}`), ...wrong]
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === 'object' && value !== null && !Array.isArray(value)
}
