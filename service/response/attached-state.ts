/**
 * Lets a class keep private fields on an object that somebody else made. It is what a WeakMap would do, without what
 * an entry for every request costs the garbage collector.
 */
export abstract class Adopted {
  constructor(object: object) {
    // biome-ignore lint/correctness/noConstructorReturn: the fields of the derived class go where this says
    return object
  }
}
