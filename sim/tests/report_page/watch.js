// Stands before everything else in a page under test: keeps what goes wrong in it.
window.wrong = [];
addEventListener('error', (event) => window.wrong.push(String(event.message)));
addEventListener('unhandledrejection', (event) => window.wrong.push(String(event.reason)));
addEventListener('securitypolicyviolation', (event) => window.wrong.push(`loads ${event.blockedURI}`));
